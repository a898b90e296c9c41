"""The providers: OpenID Connect, OAuth 2.0 with a question for who it was, and Steam's OpenID 2.0."""
