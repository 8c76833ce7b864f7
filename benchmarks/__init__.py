"""What claims about speed rely on: ratios against a named peer, taken inside one run."""
