"""The plugins that henshin brings: each folder is one, registered like a stranger's."""
