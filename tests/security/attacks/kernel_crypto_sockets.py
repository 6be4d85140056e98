# AF_ALG sockets, with which the page cache of read-only files was written (CVE-2026-31431).
# Expected containment: the family is refused.
import socket
from attack import contained, refuse

refuse("AF_ALG", socket.socket, 38, socket.SOCK_SEQPACKET, 0)
refuse("AF_PACKET", socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0x0300)
refuse("AF_VSOCK", socket.socket, 40, socket.SOCK_STREAM, 0)
refuse("raw IPv4", socket.socket, socket.AF_INET, socket.SOCK_RAW, 255)
refuse("raw ICMP", socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
refuse("SCTP", socket.socket, socket.AF_INET, socket.SOCK_STREAM, 132)
refuse("netfilter", socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 12)
refuse("xfrm", socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 6)
refuse("audit", socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 9)
contained()
