"""Text makers: one format a file. They return text; only ``cli`` writes it."""
