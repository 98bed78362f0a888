"""What we are measured against, written as plainly as a careful user would."""
