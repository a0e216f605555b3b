"""What the hub's services have in common: pages, who asks for them, and how they are served."""

from probav_hub.web.pages import Nothing, Page, Style, templates
from probav_hub.web.serving import certificates, listen

__all__ = ["Nothing", "Page", "Style", "certificates", "listen", "templates"]
