"""What is on sequential media: the rows of pieces, and the store that uses them."""
