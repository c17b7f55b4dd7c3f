"""What is in a binary log? Events, and the transactions that they form."""
