"""Returned mail: whose it is (a signed return address), what it says, and where it is read from."""
