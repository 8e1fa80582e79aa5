"""For the tests and every kernel that pytest starts (`pytest --nbval notebooks`), before torch is loaded."""

from hw2lib.waiting import wait_passively

wait_passively()
pytest_plugins = ["pictures"]  # book/pictures.py: nbval runs the cells that draw, and compares no picture
