"""Stories of two companies that roam."""
