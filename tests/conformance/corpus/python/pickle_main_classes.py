import copy
import pickle
import pickletools
from dataclasses import dataclass, field


@dataclass(order=True)
class Item:
    name: str
    price: float = 0.0
    tags: list = field(default_factory=list)


item = Item("pen", 1.5, ["a"])
data = pickle.dumps(item, protocol=4)
print(data)
print(pickle.loads(data) == item, copy.deepcopy(item), Item.__module__)
pickletools.dis(pickle.dumps(Item))
pickle.loads(data.replace(b"Item", b"Gone"))
