"""The process around the provider: configuration, engines, and the one door to the dataplane."""
