"""What the calls mean: sockets, backlog, conditions, events, transfer. No I/O, no cffi."""
