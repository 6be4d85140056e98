mine = "mine"
