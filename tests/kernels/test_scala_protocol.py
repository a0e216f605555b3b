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
    code_generate_error = 'throw new RuntimeException("no")'
    code_display_data = [  # noqa: RUF012
        {"code": "spark.range(2)", "mime": "text/html"},
        {
            "code": "new java.awt.image.BufferedImage(2, 2, java.awt.image.BufferedImage.TYPE_INT_RGB)",
            "mime": "image/png",
        },
    ]
    code_inspect_sample = "sc"

    def test_magics_and_python_cells_work(self):
        self.flush_channels()
        reply, outputs = self.execute_helper(code="%probav spark", timeout=60)
        assert reply["content"]["status"] == "ok"
        assert "running" in "".join(message["content"].get("text", "") for message in outputs)
        reply, outputs = self.execute_helper(code="%%python\nprint(spark.range(5).count())", timeout=60)
        assert "5\n" in "".join(message["content"].get("text", "") for message in outputs)
