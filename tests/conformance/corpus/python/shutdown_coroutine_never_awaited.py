async def never():
    pass


kept = never()
print("made")
