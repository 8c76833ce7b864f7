"""The mailer. Knows mail, not incidents."""
