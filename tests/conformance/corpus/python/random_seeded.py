import random
import secrets
import uuid

random.seed(2024)
print([random.randint(0, 100) for _ in range(8)], random.random(), random.gauss(0, 1))
items = list(range(20))
random.shuffle(items)
print(items, random.sample(items, 4), random.choices("abc", k=5))
print(random.Random("text").random(), len(secrets.token_hex(8)))
print(uuid.uuid5(uuid.NAMESPACE_DNS, "example.org"), uuid.uuid4() != uuid.uuid4())
