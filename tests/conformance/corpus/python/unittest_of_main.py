import io
import re
import unittest


class Tests(unittest.TestCase):
    def test_passes(self):
        self.assertEqual(1 + 1, 2)

    def test_fails(self):
        self.assertEqual([1, 2], [1, 3])

    @unittest.skip("not now")
    def test_skipped(self):
        pass


stream = io.StringIO()
runner = unittest.TextTestRunner(stream=stream, verbosity=2)
unittest.main(testRunner=runner, exit=False)
print(re.sub(r"in [\d.]+s", "in T", stream.getvalue()))
unittest.main(testRunner=unittest.TextTestRunner(stream=io.StringIO()))
