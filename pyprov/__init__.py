"""A kernel-bypass TCP provider on DPDK with a Winsock 2 SPI."""
