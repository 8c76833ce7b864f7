"""The pages: a view parses the form, calls one service, and renders or redirects."""
