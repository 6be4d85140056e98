import platform
import socket

print(platform.node(), platform.uname(), socket.gethostname(), platform.platform())
