"""What is left of a logbook after a kill, a full disk, a failing disk or a lost connection."""
