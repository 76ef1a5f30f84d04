"""How fast, how lean and how steady: figures to be read by people, on real servers; nothing here asserts a time."""
