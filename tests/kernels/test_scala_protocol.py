"""The Jupyter messaging protocol of the Scala kernel, as jupyter_kernel_test checks any kernel."""

from __future__ import annotations

import pytest

jupyter_kernel_test = pytest.importorskip("jupyter_kernel_test")
pytestmark = pytest.mark.spark


class TestProtocol(jupyter_kernel_test.KernelTests):
    kernel_name = "probav-scala"
    language_name = "scala"
    file_extension = ".scala"
    code_hello_world = 'println("hello, world")'
    completion_samples = [{"text": "List(1).mkS", "matches": {"mkString"}}]  # noqa: RUF012  (the base class's)
    complete_code_samples = ["1", "val x = 3", "object A { val k = 7 }"]  # noqa: RUF012
    incomplete_code_samples = ["val q = {", "def f(x: Int) ="]  # noqa: RUF012
    invalid_code_samples = ["val = 7", "}"]  # noqa: RUF012
    code_generate_error = 'throw new RuntimeException("no")'
    code_display_data = [  # noqa: RUF012
        {"code": "spark.range(2)", "mime": "text/html"},
        {
            "code": "new java.awt.image.BufferedImage(2, 2, java.awt.image.BufferedImage.TYPE_INT_RGB)",
            "mime": "image/png",
        },
    ]
    code_inspect_sample = "sc"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kc.execute_interactive("1", timeout=120, output_hook=lambda message: None)  # Tab starts nothing

    def test_magics_and_python_cells_work(self):
        self.flush_channels()
        reply, outputs = self.execute_helper(code="%probav spark", timeout=60)
        assert reply["content"]["status"] == "ok"
        assert "running" in "".join(message["content"].get("text", "") for message in outputs)
        reply, outputs = self.execute_helper(code="%%python\nprint(spark.range(5).count())", timeout=60)
        assert "5\n" in "".join(message["content"].get("text", "") for message in outputs)

    def test_a_failing_python_cell_fails(self):
        self.flush_channels()
        reply, outputs = self.execute_helper(code="%%python\nx = 1\nmissing", timeout=60)
        assert reply["content"]["status"] == "error"
        assert [item["content"]["ename"] for item in outputs if item["msg_type"] == "error"] == ["NameError"]

    def test_tab_in_python_and_in_scala_behind_a_magic(self):
        for head, code, word in [
            ("%%python", "import os\nos.getpi", "getpid"),
            ("%%scala -o a", "val a = List(1).mkS", "mkString"),
        ]:
            cell = f"{head}\n{code}"
            self.flush_channels()
            self.kc.complete(cell, len(cell))
            found = self.get_non_kernel_info_reply(timeout=60)["content"]
            assert word in {match.rpartition(".")[2] for match in found["matches"]}
            assert word.startswith(cell[found["cursor_start"] : found["cursor_end"]].rpartition(".")[2])
