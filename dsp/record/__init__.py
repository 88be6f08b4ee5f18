"""The one record of calls: what crossed a door, appended once and looked up again."""
