# Prints what two runs must not have in common.
# Expected containment: the runs' outputs differ line by line; the zygote's state is reseeded.
# attack: {"mode": "differ"}
import os
import random
import secrets
import tempfile
import uuid

import ssl
from attack import contained

print("random", random.random())
print("randint", random.getrandbits(64))
print("instance", random.Random().random())
print("uuid1", uuid.uuid1())
print("uuid4", uuid.uuid4())
print("secrets", secrets.token_hex())
print("urandom", os.urandom(16).hex())
print("tempfile", tempfile.mktemp())
print("ssl", ssl.RAND_bytes(16).hex())
contained()
