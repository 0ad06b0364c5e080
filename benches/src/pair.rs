pub fn main() -> crate::Result<()> {
    Ok(())
}
