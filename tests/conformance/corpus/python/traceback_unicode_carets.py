größe = {"straße": "日本語"}
print(größe["straße"])
print("日本語のテキスト" + größe["straße"] + 5 + "🙂")
