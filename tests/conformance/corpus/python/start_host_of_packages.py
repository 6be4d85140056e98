# case: {"profile": "data"}
import platform

import pandas

print(platform.node(), platform.uname())
