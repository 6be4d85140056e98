class Base:
    def __del__(self):
        print("ended", type(self).__name__)


class Kept(Base):
    pass


kept = [Kept(), {"a": Kept()}]
