"""What `./dev demo` shows: the kernel's curl connects through a tap into our TCP."""
