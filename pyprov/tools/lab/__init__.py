"""Step mode from Python; the public face is pyprov.lab."""
