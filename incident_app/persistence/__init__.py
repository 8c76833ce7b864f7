"""The memory: tables and the queries on them; no decisions."""
