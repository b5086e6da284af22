"""Product + area + period become items; an asset becomes something we can open."""
