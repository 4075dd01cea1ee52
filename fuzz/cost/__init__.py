"""What a load costs, by design: one stream, and how it grows with devices and queues."""
