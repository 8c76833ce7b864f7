"""From facts to text and paper."""
