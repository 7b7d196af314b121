"""What is shipped, as it runs where it is shipped to."""
