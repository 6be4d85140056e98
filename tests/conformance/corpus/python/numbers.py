import decimal
import fractions
import math
import statistics

print(decimal.getcontext())
print(decimal.Decimal(1) / 7, decimal.Decimal("0.1") + decimal.Decimal("0.2"))
print(fractions.Fraction(3, 7) ** 5, math.factorial(50), 2**200, -7 // 2, -7 % 3)
print(0.1 + 0.2, 1e308 * 10, float("nan"), round(2.5), f"{12345.678:,.2f}", hex(255), 1j**2)
print(statistics.mean([1, 2, 3.5]), math.comb(40, 20), math.isclose(0.1 + 0.2, 0.3))
print(hash(12), hash(1.5), hash(2**61), {5, 3, 1}, sorted({"b", "a"}))
print(int("9" * 5000))
