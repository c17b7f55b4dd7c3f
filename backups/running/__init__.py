"""What a running job holds, and how others see, reach and stop it."""
