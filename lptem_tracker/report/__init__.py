"""Pictures for people: the overlay movie and the HTML page of a run."""
