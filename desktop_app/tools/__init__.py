"""What the model may call: built-in tools, the user's own files, MCP servers.

A tool knows neither the session nor the window. What it needs of the machine is handed in (clipboard, opener,
screenshot), and it fails by raising `ToolError` with a sentence the model can act on. `Toolbox` runs it and makes a
result of whatever happens; *when* a call runs, and whether the user agrees, is decided elsewhere.
"""
