import shop
from shop import till

print(shop.__name__, till.__name__)
shop.open_shop()
