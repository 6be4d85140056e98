# Connects to the metadata address, to public and private hosts, by IPv4, IPv6 and DNS.
# Expected containment: the cell has a loopback interface and no route.
import socket
from attack import contained, refuse

for host in (
    "169.254.169.254",
    "1.1.1.1",
    "8.8.8.8",
    "10.0.0.1",
    "172.17.0.1",
    "192.168.0.1",
    "2606:4700:4700::1111",
    "fd00:ec2::254",
    "fe80::1",
    "100.100.100.200",
    "0177.0.0.1x",
):
    for port in (80, 443, 53, 22):
        refuse(f"{host}:{port}", lambda: socket.create_connection((host, port), 0.5))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
refuse("UDP", udp.sendto, b"x", ("1.1.1.1", 53))
udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
refuse("broadcast", udp.sendto, b"x", ("255.255.255.255", 9))
refuse("multicast", udp.sendto, b"x", ("224.0.0.1", 9))
refuse("name", socket.getaddrinfo, "example.org", 80)
refuse("metadata name", socket.getaddrinfo, "metadata.google.internal", 80)
contained()
