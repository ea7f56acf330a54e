"""Winsock's vocabulary: constants, errors, structures, addresses and flowspecs.

Pure values and their checks. Nothing here does I/O or knows of the dataplane; names are spelled as
in winsock2.h, ws2spi.h, mswsock.h, mstcpip.h, qos.h and qossp.h.
"""
