result = (__name__, __file__)
if __name__ == "__main__":
    raise SystemExit("script run as main")
