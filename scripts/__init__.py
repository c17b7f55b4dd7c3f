"""What ``./mooring`` calls: set-up, the processes of the product, the demo and its shop."""
