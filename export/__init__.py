"""From any network to a bundle: ONNX graphs with a certificate that they draw the same pictures."""

from wplus.export.bundles import export_bundle
from wplus.export.options import ExportOptions

__all__ = ["ExportOptions", "export_bundle"]
