"""What a console has printed says nothing about how the program ends."""
import code

console = code.InteractiveConsole()
console.runsource("1 / 0")
print("still well")
