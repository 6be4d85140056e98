# case: {"env": {"TZ": "Asia/Tokyo"}}
import datetime
import time

print(datetime.datetime.fromtimestamp(0), time.tzname, time.timezone, time.localtime(0))
print(datetime.datetime.now().astimezone().tzinfo)
