"""Boosted trees and how they are fitted."""
